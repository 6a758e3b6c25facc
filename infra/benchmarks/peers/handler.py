"""The peer of a start: a Python handler with the same clients, up to its first request for work."""

import os

import boto3
import urllib3

CLIENTS = [boto3.client(name) for name in ("dynamodb", "sqs", "events", "secretsmanager")]
HTTP = urllib3.PoolManager()


def main():
    runtime = os.environ["AWS_LAMBDA_RUNTIME_API"]
    HTTP.request("GET", f"http://{runtime}/2018-06-01/runtime/invocation/next", retries=False)


main()
