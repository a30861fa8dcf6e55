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
