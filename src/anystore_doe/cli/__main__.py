"""``python -m anystore_doe.cli``: the same as ``anystore-doe``, for where scripts are not on the path."""

from anystore_doe.cli.main import main

main(prog_name="anystore-doe")
