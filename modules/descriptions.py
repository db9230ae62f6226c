"""Field descriptions for schemas, exported modules and messages: the docstrings below the fields of props."""

import ast
import functools
import inspect
import sys
from itertools import pairwise

from modules.vocabulary import PROPS


@functools.cache
def describe_fields() -> None:
    """Give the fields of all props the docstrings below them, for schemas, exported modules and messages.

    Pydantic's `use_attribute_docstrings` does the same at every start, which took a quarter of the time of `check`.
    """
    docs: dict[tuple[str, str, str], str] = {}
    for module in {model.__module__ for model in PROPS}:
        for node in ast.parse(inspect.getsource(sys.modules[module])).body:
            if not isinstance(node, ast.ClassDef):
                continue
            for field, doc in pairwise(node.body):
                match field, doc:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        docs[module, node.name, name] = inspect.cleandoc(text)
                    case _:
                        pass
    for model in PROPS:
        for name, info in model.model_fields.items():
            owner = next(base for base in model.__mro__ if name in inspect.get_annotations(base))
            info.description = info.description or docs.get((owner.__module__, owner.__name__, name))
        model.model_rebuild(force=True)
