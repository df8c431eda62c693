"""Write four features of the breast cancer data set, as the examples take them: python examples/data.py OUT."""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import minmax_scale

data, columns = load_breast_cancer(), [7, 20, 22, 27]
x, y, names = minmax_scale(data.data)[:, columns], data.target, data.feature_names[columns]

if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "cancer.npz", x=x, y=y, feature_names=names, class_names=data.target_names)
    header = ",".join([*(name.replace(" ", "_") for name in names), "y"])
    np.savetxt(out / "cancer.csv", np.column_stack([x, y]), delimiter=",", header=header, comments="", fmt="%.17g")
