"""The GraphQL types, a module a noun; each field says which column, expression or relation it is."""

import callscope.schema.scalars  # noqa: F401 - the enums must be Strawberry's before a type names one
