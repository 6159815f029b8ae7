"""The process that shows a group to browsers and curl: HTTP, WebSockets, the page."""
