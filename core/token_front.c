#include "token_front.h"

#include "error.h"
#include "matrix.h"

#include <stdlib.h>
#include <string.h>

#define HEAD "lm_head.weight"

/// Some files hold a tied head as well: it has to be the embedding
static maudio_status read_spare_head(const maudio_token_front* front,
                                     maudio_binding*           b,
                                     const char*               label)
{
  const size_t shape[] = {front->n_vocab, front->d_model};
  if (maudio_weights_check(b->weights, HEAD, 2, shape, NULL)) {
    return MAUDIO_SUCCESS;
  }
  const size_t  n      = shape[0] * shape[1];
  float*        head   = NULL;
  maudio_status status = maudio_tensor_read(b, HEAD, 2, shape, &head);
  b->n_parameters -= status ? 0 : n;
  if (!status && memcmp(head, front->embedding, n * sizeof *head) != 0) {
    status = maudio_fail(b->error, MAUDIO_ERR_BAD_MODEL,
                         "%s: Tensor '" HEAD "' differs from the embedding, "
                         "but the configuration ties them",
                         maudio_path_tail(label));
  }
  free(head);
  return status;
}

maudio_status maudio_token_front_bind(const maudio_token_config* config,
                                      maudio_binding*            binding,
                                      const char*                label,
                                      maudio_token_front*        front)
{
  const size_t shape[] = {config->n_vocab, binding->d_model};
  *front               = (maudio_token_front){.kernels = binding->kernels,
                                              .n_vocab = config->n_vocab,
                                              .d_model = binding->d_model};
  maudio_status status = maudio_tensor_read_array(binding, config->embedding, 2,
                                                  shape, &front->embedding);
  if (!status && config->is_tied) {
    status = read_spare_head(front, binding, label);
  }
  if (status) {
    return status;
  }
  const uint64_t n_before = binding->n_parameters;
  status =
    maudio_matrix_read(binding, config->is_tied ? config->embedding : HEAD,
                       shape[0], shape[1], &front->head);
  if (config->is_tied) {
    binding->n_parameters = n_before;
  }
  return status;
}

void maudio_token_front_in(const maudio_token_front* front,
                           size_t                    n_steps,
                           const uint32_t*           ids,
                           float*                    x)
{
  const size_t d_pad = maudio_pad(front->d_model);
  for (size_t t = 0; t < n_steps; ++t) {
    float* const row = x + t * d_pad;
    memcpy(row, front->embedding + (size_t)ids[t] * front->d_model,
           front->d_model * sizeof *row);
    memset(row + front->d_model, 0, (d_pad - front->d_model) * sizeof *row);
  }
}

void maudio_token_front_out(const maudio_token_front* front,
                            size_t                    n_steps,
                            const float*              x,
                            float*                    logits)
{
  front->kernels->gemm(&(maudio_gemm){.w        = front->head,
                                      .x        = x,
                                      .x_stride = maudio_pad(front->d_model),
                                      .n_rows   = n_steps,
                                      .y        = logits,
                                      .y_stride = maudio_pad(front->n_vocab)});
}
