"""Reads a CloudFormation template with its short-form functions (!Ref, !GetAtt, !Sub ...) into plain data.

    python template.py FILE                  prints it as JSON
    python template.py --transformed FILE    prints what CloudFormation makes of it: the resources that AWS::Serverless-2016-10-31
                                             stands for, with the roles and policies that nobody wrote down
"""

import json
import os
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


def transformed(path):
    """The template as the transform leaves it. The code of each function is anywhere on S3."""
    # Asked for by the translator, which calls nothing here.
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-2")
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    document = read(path)
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": "code"}
    # A managed policy that is named without its ARN stays as it is: whoever reads this sees the name.
    return Translator({"a policy that nobody names": "its ARN"}, Parser()).translate(document, {})


if __name__ == "__main__":
    document = transformed(sys.argv[2]) if sys.argv[1] == "--transformed" else read(sys.argv[1])
    json.dump(document, sys.stdout, default=str)
