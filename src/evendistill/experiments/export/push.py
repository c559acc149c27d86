"""An exported folder, put on the Hugging Face hub; nothing else here speaks to the network."""

import re
from pathlib import Path

from evendistill.data.wording import reason
from evendistill.experiments.export.packages import needed
from evendistill.experiments.export.place import FILES, read_config
from evendistill.storage.files import digest

REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def push(folder: Path, repo: str, *, private: bool) -> str:
    """Upload an exported folder; the repository is made if it is not there.

    Args:
        folder: made by ``evendistill export``.
        repo: "user/name".
        private: make it private; a repository that is there and public is refused then.

    Returns:
        The address of what was uploaded.

    Raises:
        ValueError: if the folder is no export or its files have changed, the package or a token is not there, or the
            hub refuses; one line.
    """
    if REPO.fullmatch(repo) is None:
        raise ValueError(f"--repo must be user/name, got {repo!r}")
    for name, checksum in read_config(folder)["files"].items():
        path = folder / name
        if name not in FILES or not path.is_file() or digest(path.read_bytes()) != checksum:
            raise ValueError(f"{path} is not what was exported; export the run again")
    if links := [name for name in FILES if (folder / name).is_symlink()]:
        raise ValueError(f"{folder / links[0]} is a link, which export never makes; it could lead to any file")
    hub = needed("huggingface_hub", "pushing to the hub", "hub")
    if not hub.get_token():
        raise ValueError("pushing to the hub needs a token: set HF_TOKEN, or log in with `hf auth login`")
    try:
        return _uploaded(hub, folder, repo, private=private)
    except ValueError:
        raise
    except Exception as error:  # those of the hub, of its library and of its transport have no common base
        raise ValueError(f"the hub did not take {repo}: {reason(error)}") from error


def _uploaded(hub: object, folder: Path, repo: str, *, private: bool) -> str:
    api = hub.HfApi()  # pyright: ignore[reportAttributeAccessIssue]
    api.create_repo(repo, private=private, exist_ok=True)
    if private and not api.model_info(repo).private:  # making it again does not hide one that is there
        raise ValueError(f"{repo} is there already and public; make it private on the hub, or leave --private out")
    told = api.upload_folder(repo_id=repo, folder_path=str(folder), allow_patterns=list(FILES))
    return str(getattr(told, "commit_url", told))
