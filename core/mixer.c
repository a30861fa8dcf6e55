#include "mixer.h"

const maudio_mixer_class* maudio_mixer_find(maudio_mixer_type type)
{
  switch (type) {
  case MAUDIO_MIXER_MAMBA:
    return &maudio_mamba;
  case MAUDIO_MIXER_MAMBA2:
    return &maudio_mamba2;
  case MAUDIO_MIXER_BAND_MLP:
    return &maudio_band_mlp;
  case MAUDIO_MIXER_ATTENTION:
    return &maudio_attention;
  case MAUDIO_MIXER_MLP:
    return &maudio_mlp;
  case MAUDIO_MIXER_MOE:
    return &maudio_moe;
  }
  return NULL;
}

void maudio_mixer_step(const maudio_mixer* mixer, const maudio_run* run)
{
  for (size_t i = 0; i < mixer->n_stages; ++i) {
    mixer->type->step_piece(
      mixer, run,
      (maudio_piece){.stage = i, .first = 0, .n = mixer->stages[i].n_panels});
  }
}

void maudio_gemm_panels(const maudio_kernels* kernels,
                        const maudio_gemm*    gemm,
                        size_t                first,
                        size_t                n)
{
  maudio_gemm  part = *gemm;
  const size_t from = first * MAUDIO_LANES;
  part.w.n_out      = n * MAUDIO_LANES;
  part.y += from;
  if (part.bias) {
    part.bias += from;
  }
  if (part.w.codes) {
    part.w.codes += first * part.w.panel_step;
    part.w.scales += from;
    part.w.sums += from;
  } else {
    part.w.data += first * part.w.panel_step;
  }
  kernels->gemm(&part);
}

/// The ring of a window is stored in whole panels
size_t maudio_mixer_state(const maudio_mixer* mixer, size_t window)
{
  return mixer->n_state + maudio_pad(window) * mixer->n_window_state;
}

size_t
maudio_mixer_scratch(const maudio_mixer* mixer, size_t n_frames, size_t window)
{
  return n_frames * mixer->n_frame_scratch +
         maudio_pad(window) * mixer->n_window_scratch + mixer->n_fixed_scratch;
}
