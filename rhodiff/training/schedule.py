"""Learning rate: linear warm-up, constant, linear decay over the last share of the training.

    rate(i) = peak * min(1, (i + 1) / warm-up) * min(1, (T - i) / (T - T_decay)),  T_decay = round((1 - f) T)

Before T_decay the rate does not depend on the length T: so a training can be made longer from there, and ends where
one that was long from the start would have ended (Hu et al. 2024 call it warm-up-stable-decay).
"""

from rhodiff.config.training import Optimizer, Training

__all__ = ["checkpoint_iterations", "decay_start", "learning_rate"]


def decay_start(settings: Optimizer, iterations: int) -> int:
    """First iteration whose rate depends on the length of the training."""
    return round((1 - settings.decay_fraction) * iterations)


def learning_rate(iteration: int, settings: Optimizer, iterations: int, num_processes: int = 1) -> float:
    """Rate of the step number ``iteration``, from 0.

    Args:
        iteration: number of the step.
        settings: peak, warm-up and decay.
        iterations: length of the training.
        num_processes: multiplies the rate where ``scale_rate_by_processes`` asks for it.
    """
    rate = settings.learning_rate * (num_processes if settings.scale_rate_by_processes else 1)
    if iteration < settings.warmup_iterations:
        rate *= (iteration + 1) / settings.warmup_iterations
    start = decay_start(settings, iterations)
    if iteration >= start:
        rate *= (iterations - iteration) / (iterations - start)
    return rate


def checkpoint_iterations(settings: Training) -> list[int]:
    """Steps after which a checkpoint is written: at intervals, at the end, and where the rate begins to fall.

    From the last of these a longer training will go on, and one always stands there.
    """
    regular = range(settings.checkpoint_every, settings.iterations, settings.checkpoint_every)
    falls_from = decay_start(settings.optimizer, settings.iterations)
    return sorted({*regular, *({falls_from} - {0}), settings.iterations})
