"""The page that describes the API, in a browser that obeys our content policy."""

from playwright.sync_api import Page, expect


def test_the_description_of_the_api_is_shown_without_a_foreign_host(page: Page) -> None:
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto("/api/v1/docs")
    row = page.locator("#operations-streams-list_streams")
    # The browser draws a long description; on a busy machine it takes its time.
    expect(row).to_be_visible(timeout=60_000)
    row.click()
    expect(page.get_by_role("heading", name="Responses").first).to_be_visible(timeout=60_000)
    assert len({host for host in hosts if host}) == 1
