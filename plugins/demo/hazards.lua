-- What people of the town report, in their words, and what is done about it.
--
-- share: how many of a hundred reports are of the category, about; severity: how bad such a thing
-- is, where its words do not say; where: in which kind of place (plugins.demo.town); team, and
-- technician by number: who works on it; words: {title, description, severity}; work: {what was
-- done, minutes, materials}

local function used(name, quantity, unit, cost)
  return { name = name, quantity = quantity, unit = unit, cost = cost }
end

return {
  { category = "pothole", share = 17, severity = "high", where = "street",
    team = "Roads", technician = 1, words = {
    { "Deep pothole in the cycle lane",
      "I came off my bike here on Sunday. About 8 cm deep and as long as my arm." },
    { "Pothole getting bigger every week",
      "It was the size of a saucer in the summer. Now a wheel fits in." },
    { "Pothole at the kerb", "Full of water when it rains, so nobody sees it." },
    { "Two potholes side by side", "Cars swerve round them into the oncoming lane." },
    { "Old patch has come out again",
      "This was mended in spring and the filling lies beside the hole." },
    { "Pothole on the pedestrian crossing", "My mother's wheelchair got stuck in it." },
    { "Hole where the trench was filled",
      "The surface has sunk since they laid the cable.", "medium" },
    { "Pothole burst my tyre", "Front left, on the way to work. I have the invoice." },
    { "Loose stones around a pothole",
      "They fly against the shop windows when a lorry passes.", "medium" },
    { "Pothole by the drain cover", "The cover stands proud of the road by now." },
  }, work = {
    { "Cut out square, filled with hot mix, rolled and sealed.", 50,
      { used("Hot mix asphalt", 120, "kg", 21.6), used("Bitumen seal", 2, "l", 5.4) } },
    { "Cold patch as a first measure; on the list for resurfacing.", 25,
      { used("Cold lay macadam", 50, "kg", 18) } },
    { "Filled two layers, joint sealed, edge checked after an hour.", 65,
      { used("Hot mix asphalt", 180, "kg", 32.4) } },
  } },
  { category = "street_light", share = 15, severity = "medium", where = "street",
    team = "Electrical", technician = 2, words = {
    { "Street light out", "Dark since the weekend." },
    { "Light flickers all night", "It shines straight into our bedroom, on and off." },
    { "Three lamps in a row are dark", "The whole stretch is black, and there is no pavement." },
    { "Street light on all day", "It has not gone off since last week.", "low" },
    { "Lamp post leans", "Somebody backed into it, I think. It stands at an angle.", "high" },
    { "Lamp cover hangs open", "The glass swings in the wind.", "high" },
    { "Dim light at the steps", "You cannot see the edge of the steps." },
    { "Street light buzzes", "Loud enough to hear indoors.", "low" },
    { "Light hidden by branches", "The lamp works, but the tree has grown round it.", "low" },
  }, work = {
    { "Lamp replaced by LED, photocell tested.", 30, { used("LED lamp 36 W", 1, "pcs", 42) } },
    { "Photocell renewed; switches at dusk again.", 25, { used("Photocell", 1, "pcs", 9.5) } },
    { "Loose joint in the base made good, door closed.",
      45, { used("Cable joint", 1, "pcs", 14) } },
  } },
  { category = "waste", share = 16, severity = "low", where = "street",
    team = "Parks", technician = 2, words = {
    { "Sofa dumped on the verge", "With cushions. It appeared overnight." },
    { "Bin overflowing",
      "Has not been emptied for two weeks, gulls have torn it apart.", "medium" },
    { "Builder's rubble behind the fence", "About a van load: plasterboard, bags, a sink." },
    { "Broken glass all over", "Dogs and children walk here.", "medium" },
    { "Fridge left by the garages", "Door still on it." },
    { "Bags torn open", "Foxes, I suppose. It has blown down the whole street." },
    { "Needles in the bushes",
      "I counted five. Please be quick, the nursery passes here.", "high" },
    { "Garden waste thrown over the hedge", "Every Saturday, a new heap." },
    { "Paint tins left out", "One leaks into the gutter.", "medium" },
    { "Shopping trolleys in the stream", "Four of them." },
  }, work = {
    { "Collected and taken to the depot; area swept.", 35 },
    { "Removed, no sign of who left it. Photographs kept for enforcement.", 40 },
    { "Cleared by hand, gloves and sharps box; ground raked.",
      55, { used("Sharps box", 1, "pcs", 6) } },
  } },
  { category = "graffiti", share = 10, severity = "low", where = "street",
    team = "Parks", technician = 2, words = {
    { "Tags on the shelter", "Black marker all over the timetable." },
    { "Graffiti on the bridge parapet", "In letters one metre high." },
    { "Offensive words on the wall", "Please remove before school starts on Monday.", "medium" },
    { "Sprayed electricity box", "Second time this year." },
    { "Stickers on the road sign", "The speed limit cannot be read any more.", "medium" },
    { "Painted bench", "The paint was still wet; it is on my coat." },
  }, work = {
    { "Cleaned by hot pressure wash, protective coat put on.", 60,
      { used("Graffiti remover", 1.5, "l", 19.5) } },
    { "Painted over in the colour of the wall.", 40, { used("Masonry paint", 2, "l", 15) } },
  } },
  { category = "sidewalk", share = 9, severity = "medium", where = "street",
    team = "Roads", technician = 1, words = {
    { "Loose paving slab", "It tips when you step on it, and splashes." },
    { "Tree roots lift the pavement", "A pushchair cannot pass without going into the road." },
    { "Missing manhole cover", "There is a traffic cone in it, for now.", "critical" },
    { "Pavement slippery with moss", "I slipped, and so did the postman.", "low" },
    { "Broken kerbstone", "A corner is missing, the edge is sharp." },
    { "Handrail loose at the steps", "It comes out of the wall when one leans on it.", "high" },
    { "Parked scooters block the pavement", "Six of them. Blind people live here.", "low" },
  }, work = {
    { "Slab lifted, bed made good, relaid level.", 55, { used("Sharp sand", 40, "kg", 4) } },
    { "Section relaid over a root barrier.", 150, { used("Paving slab", 6, "pcs", 48),
      used("Root barrier", 3, "m", 27) } },
    { "Made safe with a new fixing, checked under load.",
      30, { used("Anchor bolt", 4, "pcs", 7.2) } },
  } },
  { category = "parks", share = 8, severity = "low", where = "green",
    team = "Parks", technician = 2, words = {
    { "Swing seat cracked", "It pinches." },
    { "Bench slats broken", "Two are missing, one has a nail standing out.", "medium" },
    { "Path under water", "After each rain, for days." },
    { "Fountain does not run", "The basin is full of leaves." },
    { "Hedge over the footpath", "One has to step into the road." },
    { "Dog bin full", "And it smells." },
    { "Goal post wobbles", "Children hang on it.", "high" },
  }, work = {
    { "Repaired with new parts, tested.", 45, { used("Hardwood slat", 2, "pcs", 26) } },
    { "Cut back, clippings taken away.", 70 },
    { "Drain cleared, edge raised with gravel.", 90, { used("Gravel", 200, "kg", 16) } },
  } },
  { category = "roads", share = 7, severity = "medium", where = "street",
    team = "Roads", technician = 1, words = {
    { "Speed limit sign turned round", "Drivers from the north see its back.", "low" },
    { "Road markings worn away", "Nobody knows who has to give way." },
    { "Crack along the whole street", "The edge towards the river sinks.", "high" },
    { "Gully blocked", "The road floods at the corner, cars brake hard." },
    { "Oil on the road", "From the bins to the roundabout. Very slippery in the rain.", "high" },
    { "Bollard knocked over", "Lies on the pavement.", "low" },
  }, work = {
    { "Repainted; closed for two hours.", 120, { used("Thermoplastic paint", 15, "kg", 39) } },
    { "Jetted clear, silt removed.", 60 },
    { "Sanded and swept, warning signs set until dry.", 40, { used("Absorbent", 20, "kg", 18) } },
    { "Set straight and fixed anew.", 30, { used("Post clamp", 2, "pcs", 8) } },
  } },
  { category = "water_leak", share = 6, severity = "high", where = "street",
    technician = 1, words = {
    { "Water bubbles up between the cobbles",
      "It has been running down the hill since this morning." },
    { "Burst pipe", "The cellar next door is filling.", "critical" },
    { "Hydrant drips", "A puddle that never dries, and ice in the mornings.", "medium" },
    { "Leak at the stopcock cover", "Slow, but day and night.", "medium" },
    { "Wet patch grows on the slope", "The grass is a swamp; it was dry all summer." },
  }, work = {
    { "Shut off, coupling replaced, trench filled.",
      180, { used("Pipe coupling 63 mm", 1, "pcs", 31) } },
    { "Seal renewed, no further loss over an hour.", 50, { used("Gasket", 2, "pcs", 5) } },
  } },
  { category = "fallen_tree", share = 5, severity = "high", where = "green",
    team = "Parks", technician = 2, words = {
    { "Branch across the road", "A big one; cars squeeze past on the wrong side." },
    { "Tree leans on the wires", "It moves when the wind blows.", "critical" },
    { "Split trunk", "Half of the crown hangs over the path.", "high" },
    { "Branches down on the footpath", "One can climb over, a wheelchair cannot.", "medium" },
  }, work = {
    { "Sawn up and cleared, stump fenced off.", 120 },
    { "Crown made safe by climber, timber removed.", 210 },
  } },
  { category = "traffic_signal", share = 4, severity = "high", where = "street",
    team = "Roads", technician = 1, words = {
    { "Traffic light dark in one direction", "The others still work, so nobody stops." },
    { "Green man does not come", "I waited five cycles." },
    { "Signal head turned by a lorry", "Faces the shop now.", "medium" },
    { "Beeper at the crossing silent", "My neighbour is blind and depends on it." },
  }, work = {
    { "Controller restarted, lamp module replaced.", 60, { used("LED module red", 1, "pcs", 88) } },
    { "Push button and sounder renewed.", 45, { used("Push button unit", 1, "pcs", 64) } },
  } },
  { category = "electrical", share = 3, severity = "critical", where = "street",
    team = "Electrical", technician = 2, words = {
    { "Sparks from the cabinet", "Blue flashes when it rains, and a smell." },
    { "Cabinet door open, wires bare", "At the height of a child's hand." },
    { "Cable dug up", "The digger has gone, the cable lies in the open trench." },
    { "Socket at the market stall shocks", "The stallholder got one this morning.", "high" },
  }, work = {
    { "Isolated, insulation tested, joint remade.", 110, { used("Resin joint", 1, "pcs", 46) } },
    { "Door and lock replaced, earth tested.", 70, { used("Cabinet lock", 1, "pcs", 22) } },
  } },
  { category = "other", share = 3, severity = "medium", where = "street",
    technician = 1, words = {
    { "Wasps' nest in the bus shelter", "Nobody dares to sit there.", "medium" },
    { "Dead swan on the bank", "Below the path.", "low" },
    { "Manhole cover rattles", "At night, each car.", "low" },
    { "Abandoned car", "No plates, flat tyres, here since the spring.", "low" },
  }, work = {
    { "Seen to, and nothing left to do.", 40 },
    { "Removed by the contractor.", 30 },
  } },
}
