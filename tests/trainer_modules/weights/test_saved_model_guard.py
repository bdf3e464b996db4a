"""SavedModels that would do more than compute: refused before anything of them runs."""

import pytest
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules.weights import saved_model_guard


def load_guarded(folder):
    return saved_model_guard.load_guarded(folder, "unreadable")


IMAGES = tf.TensorSpec([None, 32, 32, 3], tf.float32)


class Encoder(tf.Module):
    """Averages images; `before` is called with them first."""

    def __init__(self, before=lambda images: None):
        super().__init__()
        self.scale = tf.Variable(2.0)
        self.before = before

    @tf.function(input_signature=[IMAGES], autograph=False)
    def __call__(self, images):
        self.before(images)
        return self.scale * tf.reduce_mean(images, (1, 2))


def saved(folder, module):
    tf.saved_model.save(module, str(folder))
    return str(folder)


def test_models_that_compute_are_loaded(tmp_path):
    words = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a"], [1]), default_value=0
    )

    def before(images):
        tf.debugging.assert_non_negative(images)
        tf.print(words.lookup(tf.constant("a")), tf.random.uniform([]))

    module = Encoder(before)
    module.words = words
    loaded = load_guarded(saved(tmp_path / "encoder", module))
    assert loaded(tf.ones([1, 32, 32, 3])).numpy().tolist() == [[2, 2, 2]]


def test_vocabularies_that_it_brings_are_loaded(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    source = tf.lookup.TextFileInitializer(
        str(tmp_path / "words.txt"),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    module = Encoder()
    module.words = tf.lookup.StaticHashTable(source, default_value=-1)
    load_guarded(saved(tmp_path / "encoder", module))


def in_a_branch(images):
    written = lambda: tf.py_function(lambda: 1.0, [], tf.float32)  # noqa: E731
    tf.cond(tf.reduce_sum(images) > 0, written, lambda: 0.0)


def in_a_loop(images):
    def body(count):
        with tf.control_dependencies([tf.io.matching_files("/etc/*")]):
            return count + 1

    tf.while_loop(lambda count: count < 1, body, [tf.constant(0)])


def in_a_map(images):
    tf.map_fn(lambda image: tf.strings.length(tf.io.read_file("/etc/hostname")), images, tf.int32)


def in_a_data_set(images):
    """Its tensors are in memory, but the function that it calls reads a file."""
    files = tf.data.Dataset.from_tensors("/etc/hostname").map(tf.io.read_file)
    files.ignore_errors().get_single_element()


def test_data_sets_of_tensors_in_memory_are_loaded(tmp_path):
    def before(images):
        ones = tf.data.Dataset.from_tensor_slices([1, 2]).enumerate()
        doubled = ones.map(lambda place, one: one * 2, num_parallel_calls=2).ignore_errors()
        doubled.concatenate(tf.data.Dataset.from_tensors(3)).batch(3).get_single_element()

    loaded = load_guarded(saved(tmp_path / "encoder", Encoder(before)))
    assert loaded(tf.ones([1, 32, 32, 3])).numpy().tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(
    ("before", "operation"),
    [
        (lambda images: tf.io.write_file("OUTSIDE", "x"), "WriteFile"),
        (lambda images: tf.print("x", output_stream="file://OUTSIDE"), "PrintV2"),
        (lambda images: tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=["a"], destination_prefix="b"), "MergeV2Checkpoints"),
        (lambda images: next(iter(tf.data.TextLineDataset("/etc/hostname"))), r"\w+Dataset"),
        (in_a_branch, "EagerPyFunc"),
        (in_a_loop, "MatchingFiles"),
        (in_a_map, "ReadFile"),
        (in_a_data_set, "ReadFile"),
    ],
)  # fmt: skip
def test_files_and_python_are_refused_by_name_of_the_operation(tmp_path, before, operation):
    folder = saved(tmp_path / "encoder", Encoder(before))
    with pytest.raises(InputError, match=rf"encoder' is refused: operation {operation} \('.*' in "):
        load_guarded(folder)


class WrittenAtLoading(tf.lookup.StaticHashTable):
    """Its initializer, which `tf.saved_model.load` runs, writes a file."""

    def __init__(self, path):
        self.path = path
        super().__init__(tf.lookup.KeyValueTensorInitializer(["a"], [1]), default_value=0)

    def _initialize(self):
        tf.io.write_file(self.path, "x")
        return super()._initialize()


def test_what_loading_itself_would_run_is_refused_too(tmp_path):
    outside = tmp_path / "outside"
    module = Encoder()
    module.words = WrittenAtLoading(str(outside))
    folder = saved(tmp_path / "encoder", module)
    outside.unlink(missing_ok=True)
    tf.saved_model.load(folder)
    assert outside.exists(), "TensorFlow no longer runs it: the test shows nothing"
    outside.unlink()
    with pytest.raises(InputError, match="operation WriteFile"):
        load_guarded(folder)
    assert not outside.exists()


def test_assets_outside_the_folder_are_refused(tmp_path):
    (tmp_path / "words.txt").write_text("a\n")
    module = Encoder()
    module.words = tf.saved_model.Asset(str(tmp_path / "words.txt"))
    folder = saved(tmp_path / "encoder", module)
    path = tmp_path / "encoder" / "saved_model.pb"
    model = tf.__internal__.saved_model.parse_saved_model(folder)
    for name in ("../../words.txt", "/etc/passwd"):
        model.meta_graphs[0].asset_file_def[0].filename = name
        path.write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match=f"asset '{name}' lies outside the folder"):
            load_guarded(folder)


def test_models_of_tensorflow_1(tmp_path):
    for name, write in (("plain", False), ("writes", True)):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            images = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3])
            scale = tf.compat.v1.get_variable("scale", initializer=2.0, use_resource=True)
            dependencies = [tf.io.write_file("OUTSIDE", "x")] if write else []
            with tf.control_dependencies(dependencies):
                answer = scale * tf.reduce_mean(images, (1, 2))
            session.run(scale.initializer)
            tf.compat.v1.saved_model.simple_save(
                session, str(tmp_path / name), {"images": images}, {"features": answer}
            )
    assert load_guarded(str(tmp_path / "plain")).signatures
    with pytest.raises(InputError, match=r"WriteFile \('WriteFile' in the graph\)"):
        load_guarded(str(tmp_path / "writes"))
