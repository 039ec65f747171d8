"""The OpenAPI document: what each operation takes and answers, said beside the routes and written from the classes."""
