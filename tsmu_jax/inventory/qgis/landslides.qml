{#- The style of `landslides` and of `review_queue` for QGIS 3. styles.py fills in a look of looks.py: rules, fields and tabs. -#}
{%- macro symbol(name, fill, outline, width, dash) %}
      <symbol type="fill" name="{{ name }}" alpha="1" clip_to_extent="1" force_rhr="0">
        <layer class="SimpleFill" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option name="color" type="QString" value="{{ fill }}"/>
            <Option name="joinstyle" type="QString" value="round"/>
            <Option name="outline_color" type="QString" value="{{ outline }}"/>
            <Option name="outline_style" type="QString" value="{{ dash }}"/>
            <Option name="outline_width" type="QString" value="{{ width }}"/>
            <Option name="outline_width_unit" type="QString" value="MM"/>
            <Option name="style" type="QString" value="{{ 'no' if fill.endswith(',0') else 'solid' }}"/>
          </Option>
        </layer>
      </symbol>
{%- endmacro -%}
{%- macro widget(field) %}
{%- if field.choices %}
      <editWidget type="ValueMap">
        <config>
          <Option type="Map">
            <Option name="map" type="List">
{%- for words, value in field.choices %}
              <Option type="Map"><Option name="{{ words }}" type="QString" value="{{ value }}"/></Option>
{%- endfor %}
            </Option>
          </Option>
        </config>
      </editWidget>
{%- elif field.is_flag %}
      <editWidget type="CheckBox">
        <config>
          <Option type="Map">
            <Option name="CheckedState" type="QString" value="1"/>
            <Option name="UncheckedState" type="QString" value="0"/>
          </Option>
        </config>
      </editWidget>
{%- elif field.kind == "blob" %}
      <editWidget type="Hidden"><config><Option/></config></editWidget>
{%- else %}
      <editWidget type="TextEdit">
        <config>
          <Option type="Map">
            <Option name="IsMultiline" type="bool" value="{{ 'true' if field.is_long else 'false' }}"/>
            <Option name="UseHtml" type="bool" value="false"/>
          </Option>
        </config>
      </editWidget>
{%- endif %}
{%- endmacro -%}
<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="AllStyleCategories" labelsEnabled="1" readOnly="{{ (not look.edited)|int }}" hasScaleBasedVisibilityFlag="0">
  <renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0" enableorderby="0">
    <rules key="{{ '{' ~ look.layer ~ '}' }}">
{%- for rule in look.rules %}
      <rule key="{{ '{' ~ look.layer ~ '-' ~ loop.index0 ~ '}' }}" symbol="{{ loop.index0 }}" label="{{ rule.label }}" filter="{{ rule.filter }}"/>
{%- endfor %}
    </rules>
    <symbols>
{%- for rule in look.rules %}
{{- symbol(loop.index0, rule.fill, rule.outline, rule.width_mm, rule.dash) }}
{%- endfor %}
    </symbols>
  </renderer-v2>
  <labeling type="simple">
    <settings calloutType="simple">
      <text-style fieldName="{{ look.label }}" isExpression="1" fontSize="8" fontSizeUnit="Point" textColor="20,20,20,255" textOpacity="1" multilineHeight="1">
        <text-buffer bufferDraw="1" bufferSize="0.8" bufferSizeUnits="MM" bufferColor="255,255,255,255" bufferOpacity="0.85" bufferJoinStyle="128"/>
      </text-style>
      <text-format multilineAlign="1"/>
      <placement placement="1" layerGeometryType="PolygonGeometry" centroidInside="1" centroidWhole="0" polygonPlacementFlags="3"/>
      <rendering scaleVisibility="1" scaleMin="0" scaleMax="{{ label_scale }}" obstacle="1" drawLabels="1" fontMinPixelSize="3" fontMaxPixelSize="10000"/>
    </settings>
  </labeling>
  <fieldConfiguration>
{%- for field in fields %}
    <field name="{{ field.name }}" configurationFlags="None">{{ widget(field) }}
    </field>
{%- endfor %}
  </fieldConfiguration>
  <aliases>
{%- for field in fields %}
    <alias field="{{ field.name }}" index="{{ field.index }}" name="{{ field.title }}"/>
{%- endfor %}
  </aliases>
  <defaults>
{%- for field in fields %}
    <default field="{{ field.name }}" expression="{{ field.default }}" applyOnUpdate="{{ field.on_update|int }}"/>
{%- endfor %}
  </defaults>
  <constraints>
    <constraint field="uuid" constraints="2" unique_strength="1" notnull_strength="0" exp_strength="0"/>
  </constraints>
  <editorlayout>tablayout</editorlayout>
  <attributeEditorForm>
{%- for tab in tabs %}
    <attributeEditorContainer name="{{ tab.name }}" groupBox="0" columnCount="1" showLabel="1" visibilityExpressionEnabled="0" visibilityExpression="">
{%- for field in tab.fields %}
      <attributeEditorField name="{{ field.name }}" index="{{ field.index }}" showLabel="1"/>
{%- endfor %}
    </attributeEditorContainer>
{%- endfor %}
  </attributeEditorForm>
  <editable>
{%- for field in fields %}
    <field name="{{ field.name }}" editable="{{ field.is_editable|int }}"/>
{%- endfor %}
  </editable>
  <previewExpression>{{ look.label }}</previewExpression>
  <mapTip>{{ tip }}</mapTip>
  <layerGeometryType>2</layerGeometryType>
</qgis>
