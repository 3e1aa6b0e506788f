"""Names that a provider may give a field of its own, and that are attributes of our shapes."""

from __future__ import annotations

ODD_NAMES = (
    *("model_config", "model_fields", "model_fields_set", "model_computed_fields", "model_extra"),
    *("model_construct", "model_copy", "model_dump", "model_dump_json", "model_validate"),
    *("model_post_init", "model_json_schema", "model_rebuild"),
    *(
        "copy",
        "json",
        "dict",
        "construct",
        "schema",
        "validate",
        "parse_obj",
        "update_forward_refs",
    ),
    *("to_dict", "to_json", "routing", "attach_routing", "response_headers"),
    *("_routing", "_request_id", "_response_headers", "_copy_and_set_values"),
    *("__class__", "__dict__", "__init__", "__eq__", "__reduce__", "__getstate__", "__doc__"),
    *("__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__", "__slots__"),
    *("self", "cls", "", "a b", "é"),
)
