"""The risk page: what people see of the accounts without Prometheus, and the same as JSON.

`figures` are made of each collection, once; `standing` is what is known of one account besides them;
`overview` chooses what of many accounts is shown. None of them does I/O. `page` and `answers` write it as
HTML and JSON, `routes` serves it.
"""
