/** @file
 * Types of the numbers of a tensor.
 */
#ifndef MAUDIO_DTYPE_H
#define MAUDIO_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  MAUDIO_DTYPE_F32,
  MAUDIO_DTYPE_F16,
  MAUDIO_DTYPE_BF16,
  MAUDIO_DTYPE_I8
} maudio_dtype;

/// Find a type by the name that safetensors has for it
bool maudio_dtype_find(const char* name, maudio_dtype* type);

/// Return the name that safetensors has for a type
const char* maudio_dtype_name(maudio_dtype type);

/// Return the bytes of a number
size_t maudio_dtype_size(maudio_dtype type);

/// Read number `i` of an array of little-endian numbers, of any alignment
float maudio_dtype_load(maudio_dtype type, const uint8_t* data, size_t i);

#endif /* MAUDIO_DTYPE_H */
