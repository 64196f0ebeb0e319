"""The page that describes the HTTP interface, made of its OpenAPI document.

It loads nothing from anywhere: a hospital's node has no way to the internet.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto;
  padding: 0 1rem; color: #1c2733; background: #fff }
h2 { margin: 2rem 0 .25rem; font-size: 1rem }
code, h2 { font-family: ui-monospace, monospace }
.method { display: inline-block; min-width: 4rem; color: #0a5c8a }
p { margin: .25rem 0 }
td { padding: .1rem 1.5rem .1rem 0; vertical-align: top }
@media (prefers-color-scheme: dark) {
  body { color: #d5dde5; background: #14191f } .method, a { color: #6ec1f0 } }
"""


def description(path: str) -> APIRouter:
    """Make the route of the page."""
    router = APIRouter()

    @router.get(path, include_in_schema=False)
    def describe(request: Request) -> HTMLResponse:
        app: FastAPI = request.app
        return HTMLResponse(
            page(app.openapi(), app.openapi_url or ""), headers=_HEADERS
        )

    return router


def page(described: Mapping[str, Any], document_url: str) -> str:
    """Write an OpenAPI document as HTML."""
    title = escape(f"{described['info']['title']} {described['info']['version']}")
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>The same for programs: "
        f'<a href="{escape(document_url)}">{escape(document_url)}</a></p>'
        f"{operations}</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}"
        f"<td>{escape(_kind(one['schema']))}</tr>"
        for one in operation.get("parameters", ())
    )
    return (
        f'<h2><span class="method">{escape(method.upper())}</span> {escape(path)}</h2>'
        f"<p>{escape(operation.get('description', ''))}</p><table>{rows}</table>"
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """Say in a word or two what a parameter may be."""
    return " or ".join(dict.fromkeys(_kinds(schema)))


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    for one in schema.get("anyOf", (schema,)):
        name = one.get("format") or one.get("$ref", "").rpartition("/")[2]
        kind = name or one.get("type", "any")
        if kind != "null":
            yield kind
