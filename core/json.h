/** @file
 * JSON from files that are not trusted.
 */
#ifndef MAUDIO_JSON_H
#define MAUDIO_JSON_H

#include "maudio.h"

#include <jansson.h>

/**
 * Parse one JSON object.
 *
 * Duplicate keys, bad UTF-8, deep nesting and a number of values beyond any
 * use are refused. A bare `Infinity`, which Python writes, becomes null.
 *
 * @param text Not terminated, `size` bytes.
 * @param max_depth Levels of objects and arrays, at least 1.
 * @param label Stands for the path in error messages.
 * @param[out] root Set on success; free with json_decref().
 */
maudio_status maudio_json_parse(const char*   text,
                                size_t        size,
                                unsigned      max_depth,
                                const char*   label,
                                json_t**      root,
                                maudio_error* error);

#endif /* MAUDIO_JSON_H */
