"""Stages as jobs: on Slurm, or on local processes with the same registry and states."""
