/** @file
 * The ends of a model of tokens: an embedding, and the scores of every token.
 */
#ifndef MAUDIO_TOKEN_FRONT_H
#define MAUDIO_TOKEN_FRONT_H

#include "config.h"
#include "kernels.h"
#include "tensors.h"

/// V tokens, D d_model; D' and V' are padded
typedef struct {
  const maudio_kernels* kernels;
  size_t                n_vocab; ///< V
  size_t                d_model;
  const float*          embedding; ///< (V, D)
  maudio_matrix         head;      ///< (D, V')
} maudio_token_front;

/// Read both ends; `label` stands for the path in error messages
maudio_status maudio_token_front_bind(const maudio_token_config* config,
                                      maudio_binding*            binding,
                                      const char*                label,
                                      maudio_token_front*        front);

/// ids (n_steps), each below V -> x (n_steps, D'), 0 in the padding
void maudio_token_front_in(const maudio_token_front* front,
                           size_t                    n_steps,
                           const uint32_t*           ids,
                           float*                    x);

/// x (n_steps, D') -> logits (n_steps, V')
void maudio_token_front_out(const maudio_token_front* front,
                            size_t                    n_steps,
                            const float*              x,
                            float*                    logits);

#endif /* MAUDIO_TOKEN_FRONT_H */
