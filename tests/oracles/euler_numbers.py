"""Euler numbers by scikit-image, in the oracle's interpreter: euler_numbers.py MASKS.npy NUMBERS.npy, 6-connected."""

import sys

import numpy as np
from skimage.measure import euler_number

masks = np.load(sys.argv[1])
np.save(sys.argv[2], [euler_number(mask, connectivity=1) for mask in masks])
