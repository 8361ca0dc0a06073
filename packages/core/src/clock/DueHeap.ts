/**
 * DueHeap: items by due time, the earliest first (a binary heap). Adding, moving, removing and taking an item cost O(log n), so
 * work on those that are due does not grow with those that are not. The unit and clock of a time are the caller's.
 * Used by ScheduleLoop.
 */

export interface DueHeap<A> {
  /** Adds the item, or moves it to another time. */
  readonly set: (item: A, due: number) => void
  readonly delete: (item: A) => void
  /** The earliest time; Infinity: none. */
  readonly first: () => number
  /** Removes and returns what is due by then, earliest first. */
  readonly take: (now: number) => Array<A>
}

export const make = <A>(): DueHeap<A> => {
  const heap: Array<{ readonly item: A; readonly due: number }> = []
  const places = new Map<A, number>()
  const put = (place: number, node: { readonly item: A; readonly due: number }) => {
    heap[place] = node
    places.set(node.item, place)
  }
  /** Moves the node at this place to where it belongs, up or down. */
  const settle = (from: number) => {
    const node = heap[from]!
    let place = from
    for (let parent = (place - 1) >> 1; place > 0 && heap[parent]!.due > node.due; parent = (place - 1) >> 1) {
      put(place, heap[parent]!)
      place = parent
    }
    for (let child = 2 * place + 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.due < heap[child]!.due) child++
      if (heap[child]!.due >= node.due) break
      put(place, heap[child]!)
      place = child
    }
    put(place, node)
  }
  const remove = (item: A) => {
    const place = places.get(item)
    if (place === undefined) return
    places.delete(item)
    const last = heap.pop()!
    if (last.item === item) return
    put(place, last)
    settle(place)
  }
  return {
    set: (item, due) => {
      const place = places.get(item) ?? heap.length
      heap[place] = { item, due }
      settle(place)
    },
    delete: remove,
    first: () => heap[0]?.due ?? Infinity,
    take: (now) => {
      const taken: Array<A> = []
      for (let first = heap[0]; first !== undefined && first.due <= now; first = heap[0]) {
        taken.push(first.item)
        remove(first.item)
      }
      return taken
    }
  }
}
