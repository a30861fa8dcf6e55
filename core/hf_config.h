/** @file
 * The config.json of other people's models: of Hugging Face transformers, and
 * of state-spaces/mamba.
 *
 * Where a key is absent, its default there applies. What changes the network
 * and is not done here is refused by name.
 */
#ifndef MAUDIO_HF_CONFIG_H
#define MAUDIO_HF_CONFIG_H

#include "config.h"
#include "config_reader.h"

/// Most layers of a model, each of which may become two blocks
#define MAUDIO_HF_MAX_LAYERS 256

/**
 * Parse and check a config.json.
 *
 * @param name Of the model, cut short if needed.
 * @param label Stands for the path in error messages.
 * @param[out] config Filled on success, cleared on failure; free what it holds
 * with maudio_config_clear().
 */
maudio_status maudio_hf_config_parse(const char*    json,
                                     size_t         size,
                                     const char*    name,
                                     const char*    label,
                                     maudio_config* config,
                                     maudio_error*  error);

/// Read the rest of the configuration of a type: every block, and the names
typedef void (*maudio_hf_type_reader)(maudio_reader* r,
                                      const json_t*  root,
                                      maudio_config* config);

void maudio_hf_read_mamba(maudio_reader* r,
                          const json_t*  root,
                          maudio_config* config);
void maudio_hf_read_mamba2(maudio_reader* r,
                           const json_t*  root,
                           maudio_config* config);
void maudio_hf_read_state_spaces(maudio_reader* r,
                                 const json_t*  root,
                                 maudio_config* config);
void maudio_hf_read_jamba(maudio_reader* r,
                          const json_t*  root,
                          maudio_config* config);
void maudio_hf_read_bamba(maudio_reader* r,
                          const json_t*  root,
                          maudio_config* config);
void maudio_hf_read_nemotron_h(maudio_reader* r,
                               const json_t*  root,
                               maudio_config* config);

/// Make room for `n` blocks
void maudio_hf_blocks_new(maudio_reader* r, maudio_config* config, uint32_t n);

/// Set the names of a block's norm and tensors: "FOLDER.LAYER.NORM.weight" and
/// "FOLDER.LAYER.MIXER."
void maudio_hf_name_block(maudio_block_config* block,
                          const char*          folder,
                          uint32_t             layer,
                          const char*          norm,
                          const char*          mixer);

/// Refuse an activation that is not SiLU
void maudio_hf_check_silu(maudio_reader* r,
                          const json_t*  root,
                          const char*    key);

/// Check that the heads and groups of Mamba-2 divide its channels
void maudio_hf_check_heads(maudio_reader*             r,
                           const maudio_block_config* block,
                           uint32_t                   n_heads,
                           const char*                heads_key,
                           const char*                groups_key);

/// Read the rank of dt's projection: a number or "auto"
uint32_t maudio_hf_read_rank(maudio_reader* r,
                             const json_t*  root,
                             const char*    key,
                             uint32_t       d_model);

#endif /* MAUDIO_HF_CONFIG_H */
