"""Make data_loaders/digits.npz from the copy of the UCI digits that scikit-learn ships.

pip install scikit-learn && python scripts/make_digits.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

bunch = load_digits()
images = bunch.images.astype(np.uint8)  # [1797, 8, 8], 0 to 16
assert images.shape == (1797, 8, 8)
assert (images == bunch.images).all()
path = Path(__file__).parent.parent / "data_loaders" / "digits.npz"
np.savez_compressed(path, images=images, labels=bunch.target.astype(np.uint8))
print(f"{path}: {path.stat().st_size:,} bytes")
