"""Reads a CloudFormation template with its short-form functions (!Ref, !GetAtt, !Sub ...) into plain data.

    python template.py FILE      prints it as JSON
"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".")
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


Loader.add_multi_constructor("!", function)


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader)


if __name__ == "__main__":
    json.dump(read(sys.argv[1]), sys.stdout, default=str)
