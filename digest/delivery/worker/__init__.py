"""The delivery worker: take, send, settle, recover."""
