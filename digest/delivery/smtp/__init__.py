"""SMTP after connect: login, pipelined conversation, connections, relays."""
