"""What the answers of counts have in common: how a question is read from a query, how a page of series is told.

Enters: a query. Leaves: a `Question` for `control.overview`, and the pagination of its answer, whose cursors are good for
the same question only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from pydantic import SerializerFunctionWrapHandler, model_serializer

from midstream.api import paging, queries
from midstream.api.paging import Pagination
from midstream.api.routing import Shape
from midstream.control.overview import Answer, Question
from midstream.domain.window import Granularity


class Sparse(Shape):
    """A shape in which what there is none of is left out, as Segment does, rather than null."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, whole: SerializerFunctionWrapHandler) -> Any:
        return {name: value for name, value in whole(self).items() if value is not None}


def parameter(name: str, schema: Mapping[str, Any], about: str, *, required: bool = False) -> dict[str, Any]:
    """Document a query parameter."""
    return {"name": name, "in": "query", "required": required, "description": about, "schema": dict(schema)}


def texts(about: str, *names: str) -> list[dict[str, Any]]:
    """Document query parameters that are lists of strings."""
    return [parameter(name, {"type": "array", "items": {"type": "string"}}, about) for name in names]


_TIME = {"type": "string", "format": "date-time"}
WINDOW = [
    parameter("startTime", _TIME, "From when, inclusive.", required=True),
    parameter("endTime", _TIME, "Until when, exclusive. Minutes are counted as a whole.", required=True),
    parameter("granularity", {"type": "string", "enum": list(Granularity)}, "How long a bucket is.", required=True),
]


def question_of(
    query: queries.Query, kind: str, filters: Mapping[str, Sequence[str]], *about: str
) -> tuple[Question, str]:
    """Read what is asked, and name the list that is its answer: one of this kind, about the same, to the same question."""
    question = Question(
        granularity=queries.required(query, "granularity"),
        start=queries.required(query, "startTime"),
        end=queries.required(query, "endTime"),
        group_by=queries.texts(query, "groupBy"),
        filters={name: values for name, values in filters.items() if values},
    )
    told = msgspec.json.encode([about, question], order="deterministic")
    name = f"{kind} {hashlib.sha256(told).hexdigest()[:16]}"
    limit, offset = paging.asked(query, name)
    return replace(question, offset=offset, limit=limit), name


def pagination_of(answer: Answer, question: Question, name: str) -> Pagination:
    """Say where the page is among all series."""
    return paging.pagination_of(name, question.offset, question.limit, answer.tally.groups)
