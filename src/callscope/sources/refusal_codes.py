"""Why rows are refused: the closed list of codes, which stay the same where words and validators change."""

from enum import StrEnum


class RefusalCode(StrEnum):
    """What is wrong with a row, or with a file as a whole. Those of fields are named as pydantic names them."""

    # The file.
    SOURCE_INVALID = "source_invalid"
    FILE_PACKED = "file_packed"
    FILE_TOO_EXPANDED = "file_too_expanded"
    LINE_TOO_LONG = "line_too_long"
    TOO_MANY_REFUSED = "too_many_refused"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"

    # The row.
    JSON_INVALID = "json_invalid"
    CSV_INVALID = "csv_invalid"
    ROW_INVALID = "row_invalid"
    MODEL_TYPE = "model_type"
    MODEL_ATTRIBUTES_TYPE = "model_attributes_type"
    UNION_TAG_NOT_FOUND = "union_tag_not_found"
    UNION_TAG_INVALID = "union_tag_invalid"
    CATEGORY_MISSING = "category_missing"
    CATEGORY_UNKNOWN = "category_unknown"
    CATEGORY_UNSUPPORTED = "category_unsupported"

    # A field that should be there, or should not.
    MISSING = "missing"
    CALL_MISSING = "call_missing"
    PARTICIPANT_MISSING = "participant_missing"
    TIME_MISSING = "time_missing"
    NAME_MISSING = "name_missing"
    METRIC_MISSING = "metric_missing"
    NUMBER_MISSING = "number_missing"
    EXTRA_FORBIDDEN = "extra_forbidden"

    # A value.
    VALUE_ERROR = "value_error"
    ENUM = "enum"
    BOOL_TYPE = "bool_type"
    FLOAT_TYPE = "float_type"
    INT_TYPE = "int_type"
    INT_FROM_FLOAT = "int_from_float"
    LIST_TYPE = "list_type"
    STRING_TYPE = "string_type"
    STRING_TOO_SHORT = "string_too_short"
    STRING_TOO_LONG = "string_too_long"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    GREATER_THAN = "greater_than"
    GREATER_THAN_EQUAL = "greater_than_equal"
    LESS_THAN = "less_than"
    FINITE_NUMBER = "finite_number"
    DIRECTION_INVALID = "direction_invalid"
    ID_INVALID = "id_invalid"
    NUMBER_INVALID = "number_invalid"
    PAYLOAD_INVALID = "payload_invalid"
    SERIES_INVALID = "series_invalid"
    TEXT_INVALID = "text_invalid"
    TIME_INVALID = "time_invalid"

    @classmethod
    def _missing_(cls, value: object) -> "RefusalCode":
        """What a later validator may find beyond these is a wrong value all the same."""
        return cls.VALUE_ERROR
