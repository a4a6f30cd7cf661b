"""Draw docs/figures/explain-codes.png and explain-energy.png, pictures of `caloforge explain`.

python docs/figures/explain.py BUNDLE
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from caloforge.explain import explain_file

WANTED = ("codes", "energy")


def main() -> None:
    """Explain a bundle by the ZN test sample, and keep two of the pictures, small."""
    explanation = explain_file(sys.argv[1], "zn-test")
    for part in explanation.sections:
        for picture in part.pictures:
            if picture.name in WANTED:
                buffer = io.BytesIO()
                picture.figure.savefig(buffer, format="png", dpi=95)
                image = Image.open(buffer).convert("RGB").quantize(200)
                path = Path(__file__).with_name(f"explain-{picture.name}.png")
                image.save(path, optimize=True)


if __name__ == "__main__":
    main()
