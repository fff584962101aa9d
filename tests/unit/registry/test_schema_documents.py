import json
from typing import Any

from pydantic import BaseModel

from scalr_tasks import Queue, Registry
from scalr_tasks.registry.schema_documents import asyncapi_document, schema_document


class Line(BaseModel):
    price: int


registry = Registry[Any, str]("shop", queues=[Queue("default"), Queue("bulk")])


@registry.task(ctx=False, queue="bulk", version=2)
async def send(line: Line, copies: int = 1) -> Line:
    """Send it."""
    return line


@registry.task(ctx=False)
async def tag(name: str, /, **labels: int) -> None: ...


def references(part: Any) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [each for value in part.values() for each in references(value)]
    return [each for value in part for each in references(value)] if isinstance(part, list) else []


def resolves(document: Any, reference: str) -> bool:
    """Whether a reference leads somewhere in the document."""
    here = document
    for key in reference.removeprefix("#/").split("/"):
        if not isinstance(here, dict) or key not in here:
            return False
        here = here[key]
    return True


def test_the_schema_of_arguments_is_one_object() -> None:
    document = schema_document(registry.snapshot())["tasks"]["send"]

    assert document["description"] == "Send it."
    assert document["arguments"]["required"] == ["line"]
    assert document["arguments"]["additionalProperties"] is False
    assert document["arguments"]["properties"]["copies"] == {"type": "integer"}


def test_further_keywords_stand_as_additional_properties() -> None:
    assert schema_document(registry.snapshot())["tasks"]["tag"]["arguments"]["additionalProperties"] == {
        "type": "integer"
    }


def test_every_reference_of_a_schema_leads_somewhere() -> None:
    for task in schema_document(registry.snapshot())["tasks"].values():
        for schema in (task["arguments"], task["result"]):
            assert all(resolves(schema, each) for each in references(schema))


def test_the_asyncapi_document_has_a_channel_a_queue_and_a_message_a_task() -> None:
    document = json.loads(json.dumps(asyncapi_document(registry.snapshot())))

    assert document["channels"]["bulk"]["address"] == "arq:queue:bulk"
    assert list(document["channels"]["bulk"]["messages"]) == ["send"]
    assert document["components"]["messages"]["send"]["x-task-version"] == 2


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document(registry.snapshot())

    assert references(document)
    assert [each for each in references(document) if not resolves(document, each)] == []
