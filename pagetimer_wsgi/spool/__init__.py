"""The files on local disk in which accepted beats lie until they are in the store."""
