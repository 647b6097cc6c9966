"""The stages of an experiment - prepare, train, sample, evaluate, report - each on one machine or as parts."""
