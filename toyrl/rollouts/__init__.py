"""Rollouts: what a reward may look at, and the fields that it may ask for by name."""

from toyrl.rollouts.core import Rollouts
from toyrl.rollouts.fields import FIELDS, FieldSpec, register_field

__all__ = ["FIELDS", "FieldSpec", "Rollouts", "register_field"]
