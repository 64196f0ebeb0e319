{{- define "cxr.labels" -}}
app.kubernetes.io/name: cxr-node
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cxr.version" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "cxr.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What every pod shares: who it runs as, and what it may write. */}}
{{- define "cxr.pod" -}}
serviceAccountName: {{ .Values.serviceAccount.name }}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    configMap: {name: {{ .Release.Name }}-config}
  - name: data
    emptyDir: {sizeLimit: {{ .Values.scratch }}}
  - name: tmp
    emptyDir: {sizeLimit: 4Gi}
{{- with .Values.certificatesSecretName }}
  - name: tls
    secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "cxr.container" -}}
image: {{ include "cxr.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - secretRef: {name: {{ .Values.secretName }}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: config, mountPath: /etc/cxr-node/node.toml, subPath: node.toml, readOnly: true}
  - {name: data, mountPath: /var/lib/cxr-node}
  - {name: tmp, mountPath: /tmp}
{{- with .Values.certificatesSecretName }}
  - {name: tls, mountPath: /etc/cxr-node/tls, readOnly: true}
{{- end }}
{{- end }}
