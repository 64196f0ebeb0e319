-- Orthanc sends new chest radiographs to the node, and takes its results: see docs/recipes.md.
-- The node's AE title, and its name among DicomModalities.
local NODE_TITLE, NODE_NAME = 'CXR_NODE', 'cxr-node'

-- Films that name a part without lungs stay here. The node's own rules look closer
-- (docs/operations.md, "Which images are analysed"): an empty or unknown word is its affair.
local ELSEWHERE = { 'HAND', 'FOOT', 'KNEE', 'ANKLE', 'WRIST', 'ELBOW', 'HIP', 'PELVIS', 'SKULL', 'HEAD' }

local function IsFilm(tags)
   if tags['Modality'] ~= 'CR' and tags['Modality'] ~= 'DX' then
      return false
   end
   local part = string.upper(tags['BodyPartExamined'] or '')
   for _, word in ipairs(ELSEWHERE) do
      if string.find(part, word, 1, true) then
         return false
      end
   end
   return true
end

function OnStoredInstance(instanceId, tags, metadata, origin)
   -- What the node has sent, its results, does not go back to it.
   if origin ~= nil and origin['RemoteAet'] == NODE_TITLE then
      return
   end
   if IsFilm(tags) then
      SendToModality(instanceId, NODE_NAME)
   end
end
