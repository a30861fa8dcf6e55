#include "config_reader.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void maudio_reader_enter(maudio_reader* r, const char* where)
{
  snprintf(r->where, sizeof r->where, "%s", where);
}

void maudio_reader_fail(maudio_reader* r, const char* key, const char* problem)
{
  if (!r->status) {
    r->status = maudio_fail(r->error, MAUDIO_ERR_BAD_MODEL, "%s: %s%s %s",
                            r->label, r->where, key, problem);
  }
}

void maudio_reader_unknown(maudio_reader* r, const char* key, const char* value)
{
  if (!r->status) {
    r->status =
      maudio_fail(r->error, MAUDIO_ERR_UNSUPPORTED, "%s: Unknown %s%s '%.40s'",
                  r->label, r->where, key, value);
  }
}

double maudio_reader_number(maudio_reader* r,
                            const json_t*  object,
                            const char*    key,
                            double         fallback,
                            double         min,
                            double         max)
{
  const json_t* const item = json_object_get(object, key);
  if (!item) {
    if (fallback == MAUDIO_REQUIRED) {
      maudio_reader_fail(r, key, "is missing");
    }
    return fallback;
  }
  if (!json_is_number(item)) {
    maudio_reader_fail(r, key, "is not a number");
    return min;
  }
  const double value = json_number_value(item);
  if (!(value >= min && value <= max)) {
    char problem[96];
    snprintf(problem, sizeof problem, "is %.15g, expected %.15g to %.15g",
             value, min, max);
    maudio_reader_fail(r, key, problem);
    return min;
  }
  return value;
}

uint32_t maudio_reader_integer(maudio_reader* r,
                               const json_t*  object,
                               const char*    key,
                               double         fallback,
                               uint32_t       min,
                               uint32_t       max)
{
  const json_t* const item = json_object_get(object, key);
  if (item && !json_is_integer(item)) {
    maudio_reader_fail(r, key, "is not a whole number");
    return min;
  }
  const double value = maudio_reader_number(r, object, key, fallback, min, max);
  return value == MAUDIO_REQUIRED ? min : (uint32_t)value;
}

const char*
maudio_reader_string(maudio_reader* r, const json_t* object, const char* key)
{
  const json_t* const item = json_object_get(object, key);
  if (!json_is_string(item)) {
    maudio_reader_fail(r, key, item ? "is not a string" : "is missing");
    return "";
  }
  return json_string_value(item);
}

bool maudio_reader_bool(maudio_reader* r,
                        const json_t*  object,
                        const char*    key,
                        bool           fallback)
{
  const json_t* const item = json_object_get(object, key);
  if (!item || json_is_null(item)) {
    return fallback;
  }
  if (!json_is_boolean(item)) {
    maudio_reader_fail(r, key, "is not true or false");
  }
  return json_is_true(item);
}

/// Python's Infinity is null by now; transformers writes an object instead
static bool is_infinity(const json_t* item)
{
  const char* const text =
    json_string_value(json_object_get(item, "__float__"));
  return json_is_null(item) || (text && !strcmp(text, "Infinity"));
}

void maudio_reader_limit(maudio_reader*       r,
                         const json_t*        object,
                         const char*          key,
                         maudio_block_config* block)
{
  block->dt_min = 0.0f;
  block->dt_max = INFINITY;

  const json_t* const limit = json_object_get(object, key);
  if (!limit) {
    return;
  }
  const json_t* const low  = json_array_get(limit, 0);
  const json_t* const high = json_array_get(limit, 1);
  const double        min  = json_number_value(low);
  const double        max  = json_number_value(high);
  const bool          open = is_infinity(high);
  if (json_array_size(limit) != 2 || !json_is_number(low) ||
      !(json_is_number(high) || open) || min < 0 || min > 1e6 ||
      (!open && (max < min || max > 1e30))) {
    maudio_reader_fail(r, key, "is not a range such as [0, Infinity]");
    return;
  }
  block->dt_min = (float)min;
  block->dt_max = open ? INFINITY : (float)max;
}
