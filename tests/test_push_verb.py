"""push, as a person meets it; the hub is a fake, and nothing here speaks to the network."""

import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

FILES = ["README.md", "config.json", "model.onnx", "model.safetensors", "recipe.yaml"]


@pytest.fixture
def push(command_line, monkeypatch, tmp_path):
    """The verb in this process, beside an exported folder: exit code, standard output and error."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    weights = {name: name.encode() for name in ("model.onnx", "model.safetensors")}
    for name, payload in weights.items():
        (folder / name).write_bytes(payload)
    files = {name: hashlib.sha256(payload).hexdigest() for name, payload in weights.items()}
    (folder / "config.json").write_text(json.dumps({"evendistill": "0.1.0", "run": "1a2b", "files": files}))
    (folder / "README.md").write_text("edited by its owner")
    monkeypatch.chdir(tmp_path)
    return partial(command_line, tmp_path, "push")


def refused(done, *words):
    assert (done[0], done[1], done[2].count("\n")) == (2, "", 1), done
    for word in words:
        assert word in done[2]


@pytest.fixture
def hub(monkeypatch):
    """A hub that takes everything, in the place of the real one."""
    fake = SimpleNamespace(token="secret", calls=[], is_private=True, error=None)

    class Api:
        def create_repo(self, repo, **told):
            if fake.error:
                raise fake.error
            fake.calls.append(("create", repo, told))

        def model_info(self, repo):
            return SimpleNamespace(private=fake.is_private)

        def upload_folder(self, **told):
            fake.calls.append(("upload", told))
            return SimpleNamespace(commit_url="https://hub/commit/1")

    module = ModuleType("huggingface_hub")
    module.__dict__.update(HfApi=Api, get_token=lambda: fake.token)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return fake


def test_push_uploads_the_files_of_an_export_and_nothing_else(push, hub):
    assert push("shipped", "--repo", "me/digits", "--private") == (
        0,
        "pushed: https://hub/commit/1\n",
        "",
    )
    create, (_, told) = hub.calls
    assert create == ("create", "me/digits", {"private": True, "exist_ok": True})
    assert (told["repo_id"], Path(told["folder_path"]).name) == ("me/digits", "shipped")
    assert sorted(told["allow_patterns"]) == FILES


def test_a_push_that_cannot_be_is_one_line_and_uploads_nothing(push, hub, monkeypatch):
    def say(*words, repo="me/digits", more=()):
        refused(push("shipped", "--repo", repo, *more), *words)
        assert not [call for call in hub.calls if call[0] == "upload"]

    say("--repo must be user/name, got 'digits'", repo="digits")
    hub.is_private = False
    say("me/digits is there already and public", more=["--private"])
    hub.token = None
    say("needs a token: set HF_TOKEN, or log in with `hf auth login`")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    say("needs huggingface_hub: pip install 'evendistill[hub]'")
    Path("shipped/model.onnx").write_bytes(b"other")
    say("model.onnx is not what was exported; export the run again")
    refused(push(".", "--repo", "me/digits"), "not a folder that evendistill export made")


def test_what_the_hub_says_is_one_line(push, hub):
    hub.error = RuntimeError("500 Server Error\nfor url: https://hub")
    refused(push("shipped", "--repo", "me/digits"), "the hub did not take me/digits: 500 Server Error for url")


def test_a_configuration_cannot_name_files_elsewhere(push, hub):
    Path("secret").write_bytes(b"mine")
    checksum = hashlib.sha256(b"mine").hexdigest()
    told = {"evendistill": "0.1.0", "run": "1a2b", "files": {"../secret": checksum}}
    Path("shipped/config.json").write_text(json.dumps(told))
    refused(push("shipped", "--repo", "me/digits"), "secret is not what was exported")
    Path("shipped/config.json").write_text(json.dumps(told | {"files": {}}))
    Path("shipped/README.md").unlink()
    Path("shipped/README.md").symlink_to("../secret")
    refused(push("shipped", "--repo", "me/digits"), "README.md is a link")
    assert hub.calls == []


def test_json_alone(push, hub):
    code, out, err = push("shipped", "--repo", "me/digits", "--json")
    assert (code, json.loads(out), err) == (0, {"repo": "me/digits", "url": "https://hub/commit/1"}, "")
