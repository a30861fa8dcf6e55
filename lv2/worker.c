#include "worker.h"

#include <string.h>

/// An order to the worker, the whole of its message
typedef enum {
  ORDER_SWEEP, ///< Free discarded sounds
  ORDER_LOAD   ///< That, and load model_request::loading
} order;

void worker_ask(denoiser* d, const char* path, size_t length)
{
  model_request* const request = &d->request;
  memcpy(request->path, path, length);
  request->path[length] = '\0';
  request->is_asked     = true;
  ++d->n_changes;
}

static bool give(const denoiser* d, order o)
{
  const LV2_Worker_Schedule* const schedule = d->schedule;
  return schedule->schedule_work(schedule->handle, sizeof o, &o) ==
         LV2_WORKER_SUCCESS;
}

/// Give an order once; the flag is set first, as a host that has time to work
/// at once does so before it returns
static bool give_once(const denoiser* d, order o, atomic_bool* is_given)
{
  if (atomic_exchange(is_given, true)) {
    return false;
  }
  const bool is_taken = give(d, o);
  if (!is_taken) {
    atomic_store(is_given, false);
  }
  return is_taken;
}

void worker_schedule(denoiser* d)
{
  if (!d->schedule) {
    return;
  }
  model_request* const request = &d->request;
  if (request->is_asked && !atomic_load(&request->is_loading)) {
    memcpy(request->loading, request->path, sizeof request->loading);
    request->loading_change = d->n_changes;
    request->is_asked       = !give_once(d, ORDER_LOAD, &request->is_loading);
  }
  if (player_has_garbage(&d->play)) {
    give_once(d, ORDER_SWEEP, &d->is_sweeping);
  }
}

/// Load what is asked for, and respond in any case
static LV2_Worker_Status load(denoiser*                   d,
                              LV2_Worker_Respond_Function respond,
                              LV2_Worker_Respond_Handle   handle)
{
  model_request* const request = &d->request;
  maudio_error         error   = {.message = ""};
  if (sound_new(request->loading, d->play.rate_hz, d->play.n_channels,
                &request->loaded, &error)) {
    denoiser_complain(d, error.message);
  }
  const order             o      = ORDER_LOAD;
  const LV2_Worker_Status status = respond(handle, sizeof o, &o);
  if (status) {
    denoiser_complain(d, "The host did not take a model that was loaded");
    sound_free(request->loaded);
    request->loaded = NULL;
    atomic_store(&request->is_loading, false);
  }
  return status;
}

/// Any thread but the audio thread, one call at a time
static LV2_Worker_Status work(LV2_Handle                  instance,
                              LV2_Worker_Respond_Function respond,
                              LV2_Worker_Respond_Handle   handle,
                              uint32_t                    size,
                              const void*                 data)
{
  denoiser* const d = (denoiser*)instance;
  order           o = ORDER_SWEEP;
  if (size != sizeof o) {
    return LV2_WORKER_ERR_UNKNOWN;
  }
  memcpy(&o, data, sizeof o);
  if (o == ORDER_LOAD) {
    return load(d, respond, handle);
  }
  atomic_store(&d->is_sweeping, false);
  player_sweep(&d->play);
  return LV2_WORKER_SUCCESS;
}

/// Audio thread
static LV2_Worker_Status
work_response(LV2_Handle instance, uint32_t size, const void* data)
{
  (void)size;
  (void)data;
  denoiser* const      d       = (denoiser*)instance;
  model_request* const request = &d->request;
  sound* const         loaded  = request->loaded;
  request->loaded              = NULL;
  const bool is_latest         = request->loading_change == d->n_changes;
  atomic_store(&request->is_loading, false);
  if (loaded && is_latest) {
    atomic_store(&d->is_missing, false);
    denoiser_change(d, loaded);
  } else if (loaded) {
    player_discard(&d->play, loaded);
  } else if (is_latest) {
    d->is_to_tell = true; // What plays is not what was asked for
  }
  return LV2_WORKER_SUCCESS;
}

const LV2_Worker_Interface worker_interface = {work, work_response, NULL};
