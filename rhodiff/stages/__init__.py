"""The stages of an experiment - prepare, train, sample, evaluate, denoise, report - on one machine or as parts."""
