"""What huggingface_hub does against a server's /hf: HF_ENDPOINT names it. Prints what it got as JSON."""
import json
import os
import sys
import tempfile

from huggingface_hub import HfApi, hf_hub_download, model_info, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

repository, gated = sys.argv[1], sys.argv[2]
told = {}
cache = tempfile.mkdtemp()

path = hf_hub_download(repository, "onnx/model.onnx", cache_dir=cache)
told["size"] = os.path.getsize(path)
told["commit"] = path.split("/snapshots/")[1].split("/")[0]
told["again"] = hf_hub_download(repository, "onnx/model.onnx", cache_dir=cache) == path
folder = snapshot_download(repository, cache_dir=cache, allow_patterns=["*.json", "onnx/*"])
told["snapshot"] = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
told["sha"] = model_info(repository).sha
told["files"] = sorted(HfApi().list_repo_files(repository))
told["tree"] = sorted(entry.path for entry in HfApi().list_repo_tree(repository, recursive=True))
told["paths"] = [info.size for info in HfApi().get_paths_info(repository, ["config.json"])]
told["exists"] = [HfApi().file_exists(repository, name) for name in ("config.json", "none.json")]
told["errors"] = []
for call, error in (
    (lambda: hf_hub_download(repository, "none.json", cache_dir=cache), EntryNotFoundError),
    (lambda: hf_hub_download(repository, "config.json", revision="v9", cache_dir=cache), RevisionNotFoundError),
    (lambda: hf_hub_download("o/none", "config.json", cache_dir=cache), RepositoryNotFoundError),
    (lambda: hf_hub_download(gated, "config.json", cache_dir=cache), GatedRepoError),
):
    try:
        call()
        told["errors"].append("none")
    except error:
        told["errors"].append("expected")
print(json.dumps(told))
