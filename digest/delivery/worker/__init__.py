"""Delivery worker: take, send, settle, recover."""
