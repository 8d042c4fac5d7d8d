"""Web applications: public pages, the editors' preview, the sink's mailbox."""
