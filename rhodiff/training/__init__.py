"""Training: the order of samples, batches, the loop, weight averages, checkpoints and metrics."""
