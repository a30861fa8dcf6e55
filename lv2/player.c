#include "player.h"

#include <stdlib.h>
#include <string.h>

maudio_status
player_init(player* p, double rate_hz, unsigned n_channels, maudio_error* error)
{
  *p = (player){.rate_hz = rate_hz, .n_channels = n_channels};
  pthread_mutex_init(&p->mutex, NULL);
  for (unsigned i = 0; i < N_FACTORY; ++i) {
    const maudio_status status =
      sound_new_factory(i, rate_hz, n_channels, &p->factory[i], error);
    if (status) {
      return status;
    }
  }
  sound* const first = p->factory[0];
  first->is_used     = true;
  p->wanted          = first;
  p->asked           = first;
  atomic_init(&p->shown, first);
  return maudio_effect_new(rate_hz, n_channels, first->stream, &p->effect,
                           error);
}

void player_clear(player* p)
{
  maudio_effect_free(p->effect);
  player_sweep(p);
  sound_free_list(p->files);
  sound* const restored = player_restored(p);
  if (restored && !restored->is_factory) {
    sound_free(restored);
  }
  for (unsigned i = 0; i < N_FACTORY; ++i) {
    sound_free(p->factory[i]);
  }
  pthread_mutex_destroy(&p->mutex);
}

void player_discard(player* p, sound* s)
{
  // Others only ever take the whole list: a second round is rare, a third rarer
  sound* first = atomic_load_explicit(&p->garbage, memory_order_relaxed);
  do {
    s->next = first;
  } while (!atomic_compare_exchange_weak_explicit(
    &p->garbage, &first, s, memory_order_release, memory_order_relaxed));
}

/// The effect is done with a stream
static void take_back(player* p, const maudio_stream* stream)
{
  for (unsigned i = 0; i < N_FACTORY; ++i) {
    if (p->factory[i]->stream == stream) {
      p->factory[i]->is_used = false;
    }
  }
  for (sound** at = &p->files; *at; at = &(*at)->next) {
    sound* const s = *at;
    if (s->stream == stream) {
      *at = s->next;
      player_discard(p, s);
      break;
    }
  }
}

void player_update(player* p)
{
  const maudio_stream* const retired = maudio_effect_retired(p->effect);
  if (retired) {
    take_back(p, retired);
  }
  sound* const wanted = p->wanted;
  if (wanted == p->asked || wanted->is_used) {
    return;
  }
  wanted->is_used = true;
  p->asked        = wanted;
  const maudio_stream* const unplayed =
    maudio_effect_play(p->effect, wanted->stream);
  if (unplayed) {
    take_back(p, unplayed);
  }
}

void player_want(player* p, sound* s)
{
  if (!s->is_factory) {
    s->next  = p->files;
    p->files = s;
  }
  p->wanted = s;
  atomic_store_explicit(&p->shown, s, memory_order_release);
  player_update(p);
}

bool player_has_garbage(player* p)
{
  return atomic_load_explicit(&p->garbage, memory_order_relaxed) != NULL;
}

void player_sweep(player* p)
{
  pthread_mutex_lock(&p->mutex);
  sound* const garbage =
    atomic_exchange_explicit(&p->garbage, NULL, memory_order_acquire);
  sound_free_list(garbage);
  pthread_mutex_unlock(&p->mutex);
}

void player_restore(player* p, sound* s)
{
  sound* const unheard =
    atomic_exchange_explicit(&p->restored, s, memory_order_acq_rel);
  if (unheard && !unheard->is_factory) {
    sound_free(unheard);
  }
}

sound* player_restored(player* p)
{
  return atomic_exchange_explicit(&p->restored, NULL, memory_order_acq_rel);
}

char* player_copy_path(player* p)
{
  pthread_mutex_lock(&p->mutex);
  const sound* s = atomic_load_explicit(&p->restored, memory_order_acquire);
  if (!s) {
    s = atomic_load_explicit(&p->shown, memory_order_acquire);
  }
  char* const path = s->is_factory ? NULL : strdup(s->path);
  pthread_mutex_unlock(&p->mutex);
  return path;
}
