"""SMTP client: login, pipelined conversations, connections and relays."""
