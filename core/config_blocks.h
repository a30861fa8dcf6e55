/** @file
 * Lists of blocks in the JSON of a model file.
 */
#ifndef MAUDIO_CONFIG_BLOCKS_H
#define MAUDIO_CONFIG_BLOCKS_H

#include "config_reader.h"

/// What a list of blocks is part of
typedef struct {
  const char* where;      ///< Before "blocks" in messages: "", "tiers[1]."
  const char* names;      ///< Before "layers" in names of tensors: "backbone."
  uint32_t    n_bands;    ///< 0: one signal without bands, which may have `mlp`
                          ///< and no `band_mlp`
  bool     divides_bands; ///< Blocks may be for some of them alone
  uint32_t d_model;
} maudio_blocks_place;

/**
 * Read the list "blocks" of `object`.
 *
 * @param n_floats What the states of one channel take so far, which is limited;
 * that of these blocks is added.
 * @param[out] n_blocks Set once the list is known to be one.
 * @param[out] blocks Made, to be freed with free(), also on failure.
 */
void maudio_blocks_read(maudio_reader*             r,
                        const json_t*              object,
                        const maudio_blocks_place* place,
                        uint64_t*                  n_floats,
                        uint32_t*                  n_blocks,
                        maudio_block_config**      blocks);

#endif /* MAUDIO_CONFIG_BLOCKS_H */
