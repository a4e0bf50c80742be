"""`Encoder`: a network of pictures as it is named on the command line, for all verbs that need one.

def predict(mesh: Path, encoder: EncoderArguments = NO_ENCODER): ...
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from assets.materials.providers import FeatureProvider, OnnxFeatures

Three = Annotated[tuple[float, float, float], tyro.conf.arg(metavar="R G B")]


@dataclass(frozen=True)
class Encoder:
    onnx: Path | None = None
    """An encoder of pictures in ONNX format, such as one's own CLIP or DINO."""
    onnx_mean: Three = (0.485, 0.456, 0.406)
    """What it wants taken off the colours in [0, 1]: by default ImageNet's, as DINO does; CLIP 0.481 0.458 0.408."""
    onnx_std: Three = (0.229, 0.224, 0.225)
    """What it wants them divided by then; CLIP 0.269 0.261 0.276."""

    def features(self) -> "OnnxFeatures | None":
        """None where no file is named. Raises MaterialError where the numbers make no sense."""
        from assets.materials.providers import OnnxFeatures

        return None if self.onnx is None else OnnxFeatures(self.onnx, self.onnx_mean, self.onnx_std)

    def provider(self, pixie: Path | None) -> "FeatureProvider | None":
        """The same, or what Pixie has stored. Raises MaterialError where both are named."""
        from assets.materials.errors import MaterialError
        from assets.materials.providers import PixieFeatures

        if self.onnx is not None and pixie is not None:
            raise MaterialError("give one source of features, --onnx or --pixie, not both")
        return PixieFeatures(pixie) if pixie is not None else self.features()


NO_ENCODER = Encoder()

EncoderArguments = Annotated[Encoder, tyro.conf.arg(name="")]
"""As a parameter, whose fields are options by their own names."""
