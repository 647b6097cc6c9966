"""Denoising networks and the embedding of what they are told."""

from rhodiff.models.build import build_model, count_parameters
from rhodiff.models.conditioning import ConditionEncoder
from rhodiff.models.conditioning_table import ConditioningTable
from rhodiff.models.hashing import hash_embedding
from rhodiff.models.unet import UNet

__all__ = ["ConditionEncoder", "ConditioningTable", "UNet", "build_model", "count_parameters", "hash_embedding"]
