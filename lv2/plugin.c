#include "denoiser.h"
#include "state.h"
#include "worker.h"

#include <lv2/core/lv2.h>
#include <string.h>

/// Instantiation threading class
static LV2_Handle instantiate(const LV2_Descriptor*     descriptor,
                              double                    rate_hz,
                              const char*               bundle_path,
                              const LV2_Feature* const* features)
{
  (void)bundle_path;
  const unsigned n_channels = strcmp(descriptor->URI, URI_DENOISE_MONO) ? 2 : 1;
  return denoiser_new(descriptor->URI, n_channels, rate_hz, features);
}

/// Audio threading class
static void connect_port(LV2_Handle instance, uint32_t index, void* data)
{
  denoiser* const d = (denoiser*)instance;
  port_connect(&d->ports, d->play.n_channels, index, data);
}

/// Instantiation threading class
static void activate(LV2_Handle instance)
{
  denoiser* const d = (denoiser*)instance;
  maudio_effect_reset(d->play.effect);
  d->load = 0.0f;
}

/// Audio threading class
static void run(LV2_Handle instance, uint32_t n_frames)
{
  denoiser_run((denoiser*)instance, n_frames);
}

/// Instantiation threading class
static void cleanup(LV2_Handle instance)
{
  denoiser_free((denoiser*)instance);
}

/// Discovery threading class
static const void* extension_data(const char* uri)
{
  if (!strcmp(uri, LV2_STATE__interface)) {
    return &state_interface;
  }
  return strcmp(uri, LV2_WORKER__interface) ? NULL : &worker_interface;
}

static const LV2_Descriptor descriptors[] = {
  {URI_DENOISE_MONO, instantiate, connect_port, activate, run, NULL, cleanup,
   extension_data},
  {URI_DENOISE_STEREO, instantiate, connect_port, activate, run, NULL, cleanup,
   extension_data},
};

/// Discovery threading class
LV2_SYMBOL_EXPORT const LV2_Descriptor* lv2_descriptor(uint32_t index)
{
  return index < sizeof descriptors / sizeof descriptors[0]
           ? &descriptors[index]
           : NULL;
}
