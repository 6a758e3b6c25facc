"""Deploys the template as `sam build`, `package` and `deploy` do: each function's code becomes an archive on S3, the rest of
the template goes to CloudFormation as it stands."""

import hashlib
import json
import os
import time
import zipfile

import template as templates

BUCKET = "artifacts"
# Uncompressed: it is read again on this very machine at once.
COMPRESSION = zipfile.ZIP_STORED


def archive(binary, target):
    """A deployment archive: the compiled handler as an executable `bootstrap`."""
    entry = zipfile.ZipInfo("bootstrap", (2020, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16
    entry.compress_type = COMPRESSION
    with zipfile.ZipFile(target, "w", COMPRESSION) as file, open(binary, "rb") as source:
        file.writestr(entry, source.read())


def with_numbers(node, numbers):
    """Puts the values of Number parameters where they are referred to. CloudFormation reads a number from a string where a
    property wants one; the local AWS hands the string on, and its queue poller stumbles over it."""
    if isinstance(node, dict):
        if list(node) == ["Ref"] and node["Ref"] in numbers:
            return numbers[node["Ref"]]
        return {key: value if key == "Variables" else with_numbers(value, numbers) for key, value in node.items()}
    if isinstance(node, list):
        return [with_numbers(value, numbers) for value in node]
    return node


def deploy(client, request):
    """Creates or updates `stack` and returns its outputs. `functions` maps logical ids to binaries."""
    document = templates.read(request["template"])
    s3 = client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    for name, binary in request["functions"].items():
        target = os.path.join(request["directory"], f"{name}.zip")
        archive(binary, target)
        with open(target, "rb") as file:
            content = file.read()
        key = f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        document["Resources"][name]["Properties"]["CodeUri"] = {"Bucket": BUCKET, "Key": key}
        os.remove(target)
    given = request.get("parameters", {})
    numbers = {
        name: int(given.get(name, parameter["Default"]))
        for name, parameter in document["Parameters"].items()
        if parameter["Type"] == "Number"
    }
    document["Resources"] = with_numbers(document["Resources"], numbers)
    cloudformation = client("cloudformation")
    # On S3, as sam deploy does: CloudFormation takes a megabyte there, and 51,200 bytes in a call.
    content = json.dumps(document, default=str).encode()
    key = f"{request['stack']}-{hashlib.sha256(content).hexdigest()[:16]}.template"
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    arguments = {
        "StackName": request["stack"],
        "TemplateURL": f"{s3.meta.endpoint_url}/{BUCKET}/{key}",
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": str(value)} for key, value in given.items()
        ],
    }
    known = [stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]]
    if request["stack"] in known:
        cloudformation.update_stack(**arguments)
    else:
        cloudformation.create_stack(**arguments)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=request["stack"])["Stacks"][0]
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if status.endswith("FAILED") or "ROLLBACK" in status:
            raise RuntimeError(f"stack {request['stack']}: {status}: {reasons(cloudformation, request['stack'])}")
        time.sleep(0.1)
    raise RuntimeError(f"stack {request['stack']} was not deployed in two minutes")


def reasons(cloudformation, stack):
    """Why resources of the stack failed."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed)
