"""Nodes that export a model of one weight, and that bless it or not."""

from pathlib import Path

from tfx import v1 as tfx

Model = tfx.types.standard_artifacts.Model
Blessing = tfx.types.standard_artifacts.ModelBlessing


@tfx.dsl.components.component
def Export(
    model: tfx.dsl.components.OutputArtifact[Model],
    weight: tfx.dsl.components.Parameter[float] = 1.0,
):
    """Writes a SavedModel that answers its weight for each image."""
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(weight)
    module.serve = tf.function(
        lambda images: {"weight": tf.fill([tf.shape(images)[0], 1], module.weight)},
        input_signature=[tf.TensorSpec([None], tf.string, name="images")],
    )
    folder = Path(model.uri) / "Format-Serving"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


@tfx.dsl.components.component
def Bless(
    blessing: tfx.dsl.components.OutputArtifact[Blessing],
    blessed: tfx.dsl.components.Parameter[int] = 1,
):
    """Writes a blessing as TFX's Evaluator does."""
    name = "BLESSED" if blessed else "NOT_BLESSED"
    Path(blessing.uri).mkdir(parents=True, exist_ok=True)
    (Path(blessing.uri) / name).touch()
    blessing.set_int_custom_property("blessed", blessed)
